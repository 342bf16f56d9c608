"""What lasts: the journal, the locks, the reports and their proof."""
