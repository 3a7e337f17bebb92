"""Nine kinds of fault that programs of this sort fail on, and what is right of each.

1. A length that the file does not know: ``test_lengths``.
2. Left out in silence: ``test_kinds``, and ``TestLeftOut`` in ``tests/unit/test_clips``.
3. Names are text: ``test_names``.
4. The machine's fault called the user's: ``test_kinds``, ``tests/unit/test_storage``.
5. The environment leaks in: ``test_environment``.
6. Network files misjudged: ``test_kinds``.
7. Channels that cancel: ``test_kinds``, ``tests/unit/test_audio``.
8. Copies and conversions that change what is trained on: ``test_kinds``, ``tests/unit/test_gtzan``.
9. Limits: ``test_kinds``.

``test_formats`` holds the README's table of what is read, ``test_fuzz`` files damaged at random,
and ``tests/workflow/test_mistakes`` whole runs.
"""
