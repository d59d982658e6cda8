"""What Usher costs, measured on this machine as ratios: `make bench`."""
