"""Arrays from the inside of a trained network: gates, gradients through time, Jacobians."""
