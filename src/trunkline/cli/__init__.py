"""The command line: one module a family of commands; what is heavy is loaded by the command that needs it."""
