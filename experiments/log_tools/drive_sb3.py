# /// script
# dependencies = ["stable-baselines3==2.9.2"]
# [tool.earlystop]
# formats = ["sb3-evaluations", "sb3-monitor", "csv"]
# ///
"""Stable-Baselines3: what EvalCallback and Monitor keep of a short training, of one and of two."""

import gymnasium
import numpy as np
from _numbers import arguments, done, kept
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import configure
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.results_plotter import load_results, ts2xy

folder = arguments()


class Kept(EvalCallback):
    """The mean reward of every evaluation, as the callback itself has it."""

    def _init_callback(self):
        super()._init_callback()
        self.kept = []

    def _on_step(self):
        go_on = super()._on_step()
        if self.n_calls % self.eval_freq == 0:
            self.kept.append((self.num_timesteps, float(self.last_mean_reward)))
        return go_on


def train(env, log):
    evaluation = Monitor(gymnasium.make("CartPole-v1"))
    callback = Kept(evaluation, eval_freq=100, n_eval_episodes=3, log_path=log, verbose=0)
    model = PPO("MlpPolicy", env, n_steps=64, batch_size=64, n_epochs=1, seed=1)
    if log is not None:
        model.set_logger(configure(log, ["csv"]))
    model.learn(512, callback)
    return callback.kept


env = Monitor(gymnasium.make("CartPole-v1"), str(folder / "train"))
evaluations = train(env, str(folder))
reward = {"unit": "step", "direction": "max"}
episodes = {
    **reward,
    "val": env.get_episode_rewards(),
    "epoch": np.cumsum(env.get_episode_lengths()).tolist(),
    "l": env.get_episode_lengths(),
}
two = folder / "two"
train(make_vec_env("CartPole-v1", n_envs=2, monitor_dir=str(two), seed=2), None)
steps, rewards = ts2xy(load_results(str(two)), "timesteps")
evaluated = {
    **reward,
    "epoch": [at for at, _ in evaluations],
    "val": [value for _, value in evaluations],
}
done(
    kept("evaluations.npz", evaluated),
    kept("progress.csv", evaluated, val="eval/mean_reward", mode="max"),
    kept("train.monitor.csv", episodes, says=["no validation curve"]),
    kept("two", {**reward, "epoch": steps.tolist(), "val": rewards.tolist()}),
)
