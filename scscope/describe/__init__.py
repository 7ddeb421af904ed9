"""What the clusters of a run are: tables of cell types, of marker genes, of maps and of expression."""
