"""What a proof is good for: functions of a whole input, computed tile by tile."""
