"""The choices that settings and commands offer; the first of each list is the default.

These stand apart from the code behind them, which loads numpy, torch or matplotlib, so that
``--help`` need not wait. The schema of the settings repeats them; a test holds it to them.
"""

MODES = ("mask", "magnitude", "rectified", "phase")  # how a map becomes a sound
LOUDNESS = ("peak", "full_scale", "relative")  # of sounds
EDGES = ("surroundings", "reflect", "zero")  # what sounds around an excerpt
CHANNELS = ("left", "right", "mid", "side")  # of stereo sound; the mean of all is not a choice
PRECISIONS = ("float32", "bfloat16")  # of maps, as torch calls them
SCALES = ("common", "unit")  # of pictures of inversions
N_TOUR_SONGS = 3  # that the tour of 2015 plays
AUDIBLE = -40.0  # dB, the audibility floor, below the loudest feature of layer and song
PHASES = ("original", "griffin_lim")  # of sounds of inversions

# The transform and the excerpt of 2015 (Choi 2015, code).
SAMPLE_RATE, N_FFT, HOP_LENGTH = 11025, 512, 256
DURATION = 4.0  # s

# Published networks: where the labels of their answers stand, and the transform that they hear.
PUBLISHED = {"musicnn/MTT_vgg": "MTT_LABELS", "musicnn/MSD_vgg": "MSD_LABELS"}
PUBLISHED_STFT = {"sample_rate": 16000, "n_fft": 512, "hop_length": 256}
INSTALL_PUBLISHED = "pip install --no-deps musicnn==0.1.0"
INSTALL_CAPTUM = "pip install 'auralise[methods]'"
