"""Studies: a configuration becomes cells, cells become runs, runs become records."""
