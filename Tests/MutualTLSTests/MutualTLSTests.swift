// MutualTLS
