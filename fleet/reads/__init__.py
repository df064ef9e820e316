"""What pages and endpoints show: one read function each, giving rows that are ready to render."""
