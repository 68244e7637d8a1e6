"""The flow, its configuration, the process boundary between the two environments and the command line."""
