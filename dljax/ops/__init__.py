"""Operations in the form that a backend compiles well, next to the plain form.

The only switch is `backend_forms.on_cpu`: accelerators use the plain form. Each fast
form has the values and gradients of its plain form; tests/test_conv.py,
tests/test_attention.py and tests/test_ops.py verify this.
"""
