"""Two reference agencies: the Macao fund and the Zhuhai bureau, each with its own register.

They stand behind a gateway node and know nothing of the other side. They show what a service
developer has to do: accept only the own node, and have an effect once per exchange id.
"""
