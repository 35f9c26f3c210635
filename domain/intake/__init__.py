"""Issues of a forge as work: what is read of one, the goal that it becomes, and what people say in it (rule 7.6)."""
