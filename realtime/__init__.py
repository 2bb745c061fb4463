"""What has happened and what is due: the log, the bell, the feed, the timers."""
