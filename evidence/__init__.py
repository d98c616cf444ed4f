"""What `storagefirst survey` finds in sixty public templates, as a page of the documentation."""
