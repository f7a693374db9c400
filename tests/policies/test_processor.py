"""What a training asks of its processor and of Python."""

import gc

from memfactory_core.policies.processor import collecting_seldom


def test_while_training_cycles_are_looked_for_seldom_and_not_in_what_is_there():
    before = gc.get_threshold()
    gc.unfreeze()  # whatever was run before
    with collecting_seldom():
        assert gc.get_threshold() == (100 * before[0], *before[1:])
        held = gc.get_freeze_count()
        assert held > 1000
        with collecting_seldom():
            assert gc.get_freeze_count() >= held
        assert gc.get_freeze_count() >= held, "what was frozen outside stays frozen"
    assert gc.get_threshold() == before and not gc.get_freeze_count()
