"""What tests share: judges, functions to judge, examples, and ways to run them."""
