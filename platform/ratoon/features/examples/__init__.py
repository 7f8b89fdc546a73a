"""Files of training examples: how they are written, read in part, put together and emptied of a person."""
