"""Readers and writers of visits: clouds, bags, made sequences; knows no network and no memory."""
