"""Files of a memory beside its database: points of visits, and what was derived from them."""
