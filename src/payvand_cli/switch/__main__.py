"""The lab's switch as a process."""

from payvand_cli.switch import main

main()
