"""What goes on in a trained network: gates, gradients through time, Jacobians; arrays out, no pictures."""
