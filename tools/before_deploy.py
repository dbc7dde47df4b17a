"""Stop `make deploy` before it puts code beside new, empty tables.

    python -m tools.before_deploy STACK

A stack from before data.yaml has its tables in itself. Deployed over, it would lose sight of them:
seals would begin anew at position 1, whose payouts the bank has executed. The runbook says how such
a stack is moved.
"""

import sys

from botocore.exceptions import ClientError

from payvand_cli.doors import CloudStack
from payvand_cli.stack import Stack


def holding(stack: Stack) -> list[str]:
    """Logical ids of the tables a stack itself holds; none if there is no such stack."""
    pages = stack.cloudformation.get_paginator("list_stack_resources")
    try:
        return [
            found["LogicalResourceId"]
            for page in pages.paginate(StackName=stack.name)
            for found in page["StackResourceSummaries"]
            if found["ResourceType"] == "AWS::DynamoDB::Table"
            and found["ResourceStatus"] != "DELETE_COMPLETE"
        ]
    except ClientError as error:
        if "does not exist" in str(error):
            return []
        raise


def main() -> None:
    """Exit with a sentence if the stack must be moved first."""
    (name,) = sys.argv[1:]
    if tables := holding(CloudStack(name)):
        sys.exit(
            f"{name} itself holds {', '.join(tables)}: move them to {name}-data first, "
            "docs/runbook.md, From one stack to two"
        )


if __name__ == "__main__":
    main()
