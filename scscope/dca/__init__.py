"""DCA, the deep count autoencoder (Eraslan et al., Nature Communications 2019), in PyTorch.

`scscope.dca.model.DCA` is what one uses. What is as in the authors' code and what is not: docs/dca.md.
"""
