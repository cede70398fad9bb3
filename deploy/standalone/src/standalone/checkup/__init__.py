"""The examination that `dunning doctor` makes: checks, each with what it found and a remedy."""
