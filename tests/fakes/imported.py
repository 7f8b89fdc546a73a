"""What a template imports: it prints, and has numbers to draw from that would be the same in each fork."""

import numpy.random as numpy_random

IMPORTED = numpy_random
"""Nothing here is called by name."""

print("imported")
