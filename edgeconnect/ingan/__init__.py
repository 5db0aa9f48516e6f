"""One photo is enough: InGAN (Shocher et al., ICCV 2019), and holes filled from the photo's own patches."""
