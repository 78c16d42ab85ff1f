"""The paper's method and its rivals, one small file each, one signature."""
