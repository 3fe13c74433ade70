#!/bin/sh
python3 src/greet.py
