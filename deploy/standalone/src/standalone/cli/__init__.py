"""The dunning command: a client of the services, plus up and doctor."""
