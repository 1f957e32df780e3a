# What makes a directory a ports tree to those who look; the simulated poudriere reads the Makefiles itself.
