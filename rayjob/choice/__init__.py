"""The binary-choice classifier: data split, network, train, predict. The only user of torch besides the embedder."""
