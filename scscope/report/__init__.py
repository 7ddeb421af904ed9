"""What a benchmark run found, in one HTML file and on the terminal."""

# Of the tables that are made of the config.
TITLES = {
    "supplementary_table_1": "Supplementary Table 1: methods",
    "supplementary_table_2": "Supplementary Table 2: hyperparameters",
    "supplementary_table_3": "Supplementary Table 3: simulation settings",
}
