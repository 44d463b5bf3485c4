"""Azure's control plane: its operations and forms of ids."""
