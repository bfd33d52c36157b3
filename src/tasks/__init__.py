"""Lightning modules that join a data set to a recurrent network and own the loss and the metrics."""
