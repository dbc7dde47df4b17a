"""`payvand simulate`: the product's own code under a scheduler that breaks everything around it.

memory, values, expressions   DynamoDB in memory
engine                        virtual time, processes, faults
aws, parties, world           every door of the product, and who stands behind it
actors                        what people do in a schedule
rules                         what must hold after every step
plants                        known bugs, switched on one at a time
shrink, command               the shortest story of a failure, and the command
"""

import sys

from payvand_cli import paths

if str(paths.ROOT) not in sys.path:  # the functions are packages of the checkout, not installed
    sys.path.insert(0, str(paths.ROOT))
