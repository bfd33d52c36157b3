"""GateBench: fair experiments with gated recurrent networks."""
