"""Analytics in GraphQL: metrics, the what-if of thresholds, calibration."""
