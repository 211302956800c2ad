"""The functions, by group. A line that breaks a claim ends with `# culprit`, or `# culprit: cyclic` or `: interior`."""
