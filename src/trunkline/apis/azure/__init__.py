"""Azure's control plane: Azure Monitor's metrics API and Event Grid's event subscriptions."""
