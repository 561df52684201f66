"""The controller: queue, agenda, reconcile, leadership, and the wiring of kopf."""
