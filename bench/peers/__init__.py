"""What we are compared with. Each runs with its own libraries and the stub, and nothing of ours."""
