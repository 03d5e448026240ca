"""The node `visit_builder`: live clouds in, one snapshot per visit out."""
