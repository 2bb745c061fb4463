"""Analytics: roll-ups and their upkeep, metrics, the what-if of thresholds, calibration, exports."""
