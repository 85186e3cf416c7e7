"""What happens when things go wrong: killed processes, damaged files, full disks, random input."""
