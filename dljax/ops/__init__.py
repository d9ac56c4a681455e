"""Operations in the form that a backend compiles well, beside the plain form.

`backend_forms.on_cpu` is the one switch: accelerators run the plain form. Each fast
form equals its plain form, values and gradients, which tests/test_conv.py,
tests/test_attention.py and tests/test_ops.py hold.
"""
