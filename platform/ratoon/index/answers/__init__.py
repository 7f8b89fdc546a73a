"""What is found: scores, places and the best of many queries, exactly."""
