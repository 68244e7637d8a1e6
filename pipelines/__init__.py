"""The flow, its configuration, the door between the two environments and the command line."""
