"""HTML pages, figures, tables and animations of scenes, series, training runs and evaluations."""
