"""Languages of questions and turns, one file of data each; ``en.toml`` says what a file holds."""
