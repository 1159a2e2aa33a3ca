"""What each kind of task reports."""
